export { parseFile, type Attribute, type ExternalCase, type ExternalFile, type ExternalTensor, type Source } from './format.ts';
export { mappedOps } from './plan.ts';
export { SkipCase, type SkipReason } from './reader.ts';
export { reportOf, runExternalCase, runExternalFiles, type ConformReport, type ExternalOptions, type ExternalResult } from './run.ts';
export { countSkips, unpermittedSkips, type PermittedSkips } from './skips.ts';
