export { matmulOp } from './matmul.ts';
