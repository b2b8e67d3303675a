export { countNetwork, type Asked, type CountedLayer, type CountOptions, type NetworkCount } from './count.ts';
export { type Floor } from './floor.ts';
export { measureLimits, type CopySpeed, type Limits } from './limits.ts';
export { ownersOf, type Direction, type OtherKind, type Owner, type Ownership, type Section } from './owners.ts';
export { profileNetwork, type ProfileEvent, type ProfileOptions } from './profile.ts';
export { feedsFor, heldBytes, macsOf, phaseProgram, type HeldBytes, type Phase, type PhaseProgram } from './program.ts';
export { timing } from './report.ts';
export type { ProfiledKind, ProfiledLayer, ProfiledPart, ProfiledStep, ProfileReport, Timing } from './report.ts';
