export { reference } from './backend.ts';
export { forEachPosition, referenceKernel, type ReferenceKernel, type ReferenceSite, type ReferenceTensor } from './kernel.ts';
export { structuralReference } from './structural.ts';
