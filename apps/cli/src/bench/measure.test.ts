import { conv2d } from '@shoal/conv';
import { convReference } from '@shoal/conv/reference';
import { createRuntime, input } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { kaimingNormal, parameter, relu } from '@shoal/math';
import { averagePool2d, maxPool2d } from '@shoal/pool';
import { poolReference } from '@shoal/pool/reference';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { phasePrograms, type Arm } from './arm.ts';
import { measure } from './measure.ts';

const x = input('x', [1, 6, 8, 3]);
const w = parameter('w', [3, 3, 3, 4], kaimingNormal({ seed: 1 }));
const arm = (name: string, y: Arm['y']): Arm => ({
  question: 'one layer',
  group: 'small',
  name,
  x,
  y,
  data: () => Float32Array.from({ length: 144 }, (_, i) => Math.sin(i)),
});
const arms = [
  arm('max', maxPool2d(x, { window: 2 })),
  arm('average', averagePool2d(x, { window: 2 })),
  arm('conv', relu(conv2d(x, w, { stride: 2, padding: 1 }))),
];
const makeRuntime = () => createRuntime(reference(), [convReference, poolReference]);

test('one row for each arm and phase, every sample kept, quartiles around the median', async () => {
  const events = await lastValueFrom(measure(await makeRuntime(), arms, { phases: ['fwd', 'bwd'], repeat: 3 }).pipe(toArray()));
  const rows = events.flatMap((event) => (event.kind === 'row' ? [event.row] : []));
  expect(rows.map(({ id, name, phase }) => `${id} ${name} ${phase}`)).toEqual([
    'L1 max fwd',
    'L2 average fwd',
    'L3 conv fwd',
    'L4 max bwd',
    'L5 average bwd',
    'L6 conv bwd',
  ]);
  expect(events.filter(({ kind }) => kind === 'sample').length).toBe(18);
  for (const { samplesNs, q1Ms, medianMs, q3Ms } of rows) {
    expect(samplesNs.length).toBe(3);
    expect(q1Ms <= medianMs && medianMs <= q3Ms && q1Ms > 0).toBe(true);
  }
  expect(rows.slice(0, 3).map((row) => row.receptiveField)).toEqual([2, 2, 3]);
  expect(rows[2]).toMatchObject({ params: 108, macs: 3 * 4 * 9 * 3 * 4, shape: { input: [1, 6, 8, 3], output: [1, 3, 4, 4] } });
});

test('unsubscribing stops it', async () => {
  const runtime = await makeRuntime();
  await firstValueFrom(measure(runtime, arms, { phases: ['fwd'], repeat: 1_000_000 }));
  const executable = await runtime.compile({ outputs: { y: arms[0]!.y } });
  expect((await executable.run({ x: new Float32Array(144) })).y!.length).toBe(36);
});

describe('backward programs', () => {
  test('read what forward saved and compute none of it again', () => {
    const { backward, saving } = phasePrograms(arms[2]!);
    const names = Object.values(backward.outputs).map(({ node }) => node!.op.name);
    expect(names).toEqual(['conv/conv2d-gradient-input', 'conv/conv2d-gradient-weight']);
    expect(Object.values(saving.outputs).map(({ node }) => node!.op.name)).toEqual(['conv/conv2d']);
  });
});
