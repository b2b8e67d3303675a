import { randomOp, sizeOf } from '@shoal/core';
import type { FunctionBuilder, Local, V128 } from '../encoder/index.ts';
import { wasmKernel, type Lanes } from '../kernel.ts';
import { storeLanes, VECTOR_BYTES, forUnits } from '../lanes.ts';

/** Elements that four blocks of the generator give. */
const GROUP = 16;
const GROUPS_PER_TILE = 512;

/** Philox4x32-10, four blocks at a time: one block per lane. See `randomOp` for the counters. */
export const randomWasm = wasmKernel(randomOp, ({ attributes: { seed, stream, shape }, stage: addStage }) => {
  const size = sizeOf(shape);
  const groups = Math.ceil(size / GROUP);
  addStage({ tiles: Math.ceil(groups / GROUPS_PER_TILE) }, (stage) => {
    const { f, input, output } = stage;
    const step = f.let(f.v128.load32Splat(input(0)));
    forUnits(stage, groups, GROUPS_PER_TILE, (group) => {
      const words = philox(f, group, step, [seed, stream]);
      const address = f.let(f.i32.add(output(0), f.i32.mul(group, GROUP * 4)));
      const write = (count: number): void => {
        for (let block = 0; block * 4 < count; block++) {
          storeLanes(f, address, blockOf(f, words, block), Math.min(4, count - block * 4) as Lanes, block * VECTOR_BYTES);
        }
      };
      const rest = size - (groups - 1) * GROUP;
      if (rest === GROUP) write(GROUP);
      else
        f.if(
          f.i32.eq(group, groups - 1),
          () => write(rest),
          () => write(GROUP),
        );
    });
  });
});

type Words = readonly [Local<'v128'>, Local<'v128'>, Local<'v128'>, Local<'v128'>];

/** Word w of the four blocks `4 group` to `4 group + 3` in lane order. */
function philox(f: FunctionBuilder, group: Local<'i32'>, step: Local<'v128'>, [low, high]: readonly [number, number]): Words {
  const { v128, i32x4 } = f;
  const counter = i32x4.add(i32x4.splat(f.i32.shl(group, 2)), i32x4.const(0, 1, 2, 3));
  const words: Words = [f.let(counter), f.local.v128(0), f.local.v128(step), f.local.v128(0)];
  let [k0, k1] = [low >>> 0, high >>> 0];
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = multiply(f, words[0], 0xd2511f53);
    const [high1, low1] = multiply(f, words[2], 0xcd9e8d57);
    const [c1, c3] = [f.let(words[1]), f.let(words[3])];
    f.set(words[0], v128.xor(v128.xor(high1, c1), k0));
    f.set(words[1], low1);
    f.set(words[2], v128.xor(v128.xor(high0, c3), k1));
    f.set(words[3], low0);
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return words;
}

/** High and low words of the 64-bit products. */
function multiply(f: FunctionBuilder, x: Local<'v128'>, factor: number): readonly [Local<'v128'>, Local<'v128'>] {
  const even = f.i64x2.extmulLowI32x4U(x, factor);
  const odd = f.i64x2.extmulHighI32x4U(x, factor);
  return [f.let(f.i32x4.shuffle(even, odd, [1, 3, 5, 7])), f.let(f.i32x4.mul(x, factor))];
}

/** The four words of one block. */
function blockOf(f: FunctionBuilder, [a, b, c, d]: Words, block: number): V128 {
  const { shuffle } = f.i32x4;
  const [left, right] = [shuffle(a, b, [block, 4 + block, 0, 0]), shuffle(c, d, [block, 4 + block, 0, 0])];
  return shuffle(left, right, [0, 1, 4, 5]);
}
