// A file for each set of kernels: a page that takes one of them does not load what is in the others alone.
export { convWasm } from './complete.ts';
export { directConvWasm } from './direct.ts';
export { inferenceConvWasm } from './inference.ts';
