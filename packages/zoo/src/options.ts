/** What every network of the zoo can be told. */
export interface NetworkOptions {
  /** Number of logits. */
  readonly classes?: number | undefined;
  /** From which its variables start; default 0. */
  readonly seed?: number | undefined;
}
