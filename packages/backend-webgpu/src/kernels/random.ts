import { randomOp } from '@shoal/core';
import { elements, wgslKernel } from '../kernel.ts';

const philox = `fn high(a: u32, b: u32) -> u32 {
  // The upper word of a 32x32-bit product, which WGSL lacks, from 16-bit halves.
  let al = a & 0xffffu; let ah = a >> 16u;
  let bl = b & 0xffffu; let bh = b >> 16u;
  let middle = ah * bl + ((al * bl) >> 16u);
  let cross = al * bh + (middle & 0xffffu);
  return ah * bh + (middle >> 16u) + (cross >> 16u);
}
fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
  var c = counter;
  var k = key;
  for (var round = 0; round < 10; round++) {
    let h0 = high(0xd2511f53u, c.x);
    let h1 = high(0xcd9e8d57u, c.z);
    c = vec4<u32>(h1 ^ c.y ^ k.x, 0xcd9e8d57u * c.z, h0 ^ c.w ^ k.y, 0xd2511f53u * c.x);
    k += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}
`;

/** Philox4x32-10; a thread draws a block of four words. */
export const randomKernel = wgslKernel(randomOp, {
  emit({ inputs: [step], outputs: [y], attributes: { seed, stream } }) {
    const body = `let words = philox(vec4<u32>(u32(i), 0u, ${step!.read('0')}, 0u), vec2<u32>(${seed >>> 0}u, ${stream >>> 0}u));
for (var k = 0; k < 4; k++) {
  if (4 * i + k < ${y!.size}) { ${y!.write('4 * i + k', 'words[k]')} }
}`;
    return [elements(Math.ceil(y!.size / 4), body, philox)];
  },
});
