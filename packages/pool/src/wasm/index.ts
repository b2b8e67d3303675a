// A file for each set of kernels: a page that takes one of them does not load what is in the others alone.
export { averagePoolWasm } from './average.ts';
export { poolWasm } from './complete.ts';
export { maxPoolWasm } from './max.ts';
