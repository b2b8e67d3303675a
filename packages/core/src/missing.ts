/** An op that a runtime cannot run, and why. */
export interface Missing {
  readonly op: string;
  readonly reason: string;
}

export const noKernel = 'no kernel was given';

/** A kernel that is not there can be given; one that refuses a node is there already. */
export function nextStep(missing: readonly Missing[], backend: string): string {
  const refused = missing.filter(({ reason }) => reason !== noKernel);
  const give = `Pass the plugins' ./${backend} entries to createRuntime`;
  const change = `Give ${[...new Set(refused.map(({ op }) => op))].join(', ')} what the kernel supports, or use another backend`;
  if (refused.length === 0) return give;
  return refused.length === missing.length ? change : `${give}. ${change}`;
}
