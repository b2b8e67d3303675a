/** Outside Node there is no Dawn to open: this file takes the place of ./node.ts. */
export const openDawn = (): Promise<string> => Promise.resolve('this environment has no navigator.gpu');

export const exactTimestamps = false;

export const adapterHint = 'Use a browser with WebGPU, over https or on localhost, and enable hardware acceleration';
