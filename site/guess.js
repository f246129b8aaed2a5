export const openGuess = () => ({});
