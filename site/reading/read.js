export const readFile = () => null;
