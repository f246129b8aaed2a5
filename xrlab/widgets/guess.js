// The guessing game: an image, a guess of its correlations, then the truth and a score.

// Points of a guess, 0 to 100: an error of 0.1 in every correlation costs about a third of them.
export function points(guess, truth) {
  const square = guess.reduce((sum, value, n) => sum + (value - truth[n]) ** 2, 0) / guess.length;
  return Math.round(100 * Math.exp(-Math.sqrt(square) / 0.25));
}

// Rounds over the items of a level in random order; all are shown before one comes again.
export function makeGame(levels, random) {
  const left = new Map();
  const rounds = [];
  return {
    rounds,
    next(level) {
      if (!left.get(level)?.length) {
        const order = levels[level].map((_, n) => n);
        for (let n = order.length - 1; n > 0; n--) {
          const other = Math.floor(random() * (n + 1));
          [order[n], order[other]] = [order[other], order[n]];
        }
        left.set(level, order);
      }
      return levels[level][left.get(level).pop()];
    },
    // scores: {you, "ΔPDF", network} of one round.
    keep(level, scores) {
      rounds.push({ level, ...scores });
    },
    mean(name, level = null) {
      const some = rounds.filter((each) => level === null || each.level === level);
      return some.length ? some.reduce((sum, each) => sum + each[name], 0) / some.length : null;
    },
  };
}
