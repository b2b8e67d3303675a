import type { CudaOptions } from '@shoal/backend-cuda';

/** How each kind computes. */
export const cudaVariants: Readonly<Record<string, CudaOptions>> = {
  kernels: { kernels: 'compiled' },
  'kernels-tf32': { kernels: 'compiled', precision: 'tf32' },
  cudnn: { convolution: 'cudnn' },
  'cudnn-tf32': { convolution: 'cudnn', precision: 'tf32' },
  shipped: { kernels: 'shipped' },
};
