export const openRead = () => ({});
