import { atMost, wasmKernel } from '@shoal/backend-wasm';
import { packSizes, packWeight } from './taps.ts';

/** One tile packs one panel of one group. */
export const packWeightWasm = wasmKernel(packWeight, ({ inputs, attributes, stage }) => {
  const [, width, channelsPerGroup, outputChannels] = inputs[0]!.shape as readonly [number, number, number, number];
  const { panel, groups, transposed, phases } = attributes;
  const { inner, outer, panels, panelSizes, starts } = packSizes(inputs[0]!.shape, attributes);
  const cell = channelsPerGroup * outputChannels * 4;
  phases.forEach(({ weightRows, weightColumns }, phase) => {
    if (panelSizes[phase] === 0) return;
    stage({ tiles: groups * panels }, ({ f, tile, input, output }) => {
      const { i32, f32, v128 } = f;
      const group = f.let(i32.divU(tile, panels));
      const first = f.let(i32.mul(i32.remU(tile, panels), panel));
      const target = f.let(i32.add(output(0), i32.add(i32.mul(tile, panelSizes[phase]! * 4), starts[phase]! * 4)));
      const source = f.local.i32();
      const end = f.local.i32();
      for (const row of weightRows) {
        for (const column of weightColumns) {
          const start = i32.add(input(0), (row * width + column) * cell);
          if (!transposed) {
            // Lane j of channel c is weight[row, column, c, group * outer + first + j].
            f.set(source, i32.add(start, i32.shl(i32.add(i32.mul(group, outer), first), 2)));
            f.set(end, i32.add(source, inner * outputChannels * 4));
            f.loop((next) => {
              for (let lane = 0; lane < panel; lane += 4) v128.store(target, v128.load(source, lane * 4, 4), lane * 4);
              f.set(target, i32.add(target, panel * 4));
              f.set(source, i32.add(source, outputChannels * 4));
              f.brIf(next, i32.ltU(source, end));
            });
          } else {
            // Lane j of channel k is weight[row, column, first + j, group * inner + k]; lanes beyond the last channel repeat it.
            f.set(source, i32.add(start, i32.mul(group, inner * 4)));
            f.set(end, i32.add(source, inner * 4));
            const lanes = Array.from({ length: panel }, (_, lane) => {
              return f.let(i32.mul(atMost(f, i32.add(first, lane), outer - 1), outputChannels * 4));
            });
            f.loop((next) => {
              lanes.forEach((offset, lane) => f32.store(target, f32.load(i32.add(source, offset)), lane * 4));
              f.set(target, i32.add(target, panel * 4));
              f.set(source, i32.add(source, 4));
              f.brIf(next, i32.ltU(source, end));
            });
          }
        }
      }
    });
  });
});
