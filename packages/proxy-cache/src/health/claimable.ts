/** A request under way that may become the one which ends the window of a known-down upstream. */
export type Claimable<Running> = Running & {
  /** From now on it is that one, for somebody who had claimed it has joined. */
  claim(): void;
};
