/** Evenly spaced values, as NumPy's and PyTorch's linspace. */

/** `count` values from `first` to `last`, both included; of one value it is the first. */
export const spaced = (first: number, last: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => (count === 1 ? first : first + ((last - first) * i) / (count - 1)))
