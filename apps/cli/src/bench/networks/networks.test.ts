import { readFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cost } from '@shoal/analyze';
import { softwareBackend } from '@shoal/backend-webgpu/testing';
import { convWebgpu } from '@shoal/conv/webgpu';
import { createRuntime, input, type Runtime } from '@shoal/core';
import { mathWebgpu } from '@shoal/math/webgpu';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { residualWebgpu } from '@shoal/residual/webgpu';
import { networks } from '@shoal/zoo';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { lastValueFrom, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openRuntime } from '../../backends.ts';
import { runCommandLine } from '../../program.ts';
import { modeOf } from '../environment.ts';
import { measureNetworks, type NetworkRow } from './measure.ts';
import { encodingNotes } from './report.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function shoal(...argv: readonly string[]): Promise<{ code: number; out: string; log: string }> {
  let [out, log] = ['', ''];
  const code = await runCommandLine(argv, { out: (text) => (out += text), log: (text) => (log += text), interactive: false });
  return { code, out, log };
}

test('rows of every model and phase, interleaved, with a schema', { timeout: 120_000 }, async () => {
  const html = join(folder, 'networks.html');
  const argv = ['bench', '--model', 'resnet-mini', '--model', 'all-cnn-c', '--batch', '2', '--input', '64x32', '--threads', '1'];
  const { code, out, log } = await shoal(...argv, '--repeat', '3', '--json', '-', '--html', html);
  expect([code, log]).toEqual([0, expect.stringContaining(`Report with plots: ${html}`)]);
  const value = JSON.parse(out) as { rows: NetworkRow[] };
  const schema = JSON.parse(
    await readFile(fileURLToPath(new URL('../../../schemas/bench-model-1.schema.json', import.meta.url)), 'utf8'),
  ) as object;
  const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
  ajv.validate(schema, value);
  expect(ajv.errors ?? []).toEqual([]);
  const { rows } = value;
  expect(rows.map(({ model, phase }) => `${model} ${phase}`)).toEqual([
    'resnet-mini fwd', 'resnet-mini step', 'all-cnn-c fwd', 'all-cnn-c step',
  ]); // prettier-ignore
  for (const row of rows) {
    const { samplesNs, q1Ms, medianMs, q3Ms, macs, gflops, imagesPerSecond, peakBytes, heldBytes, params } = row;
    expect(samplesNs.length).toBe(3);
    expect(medianMs).toBe(samplesNs.toSorted((a, b) => a - b)[1]! / 1e6);
    expect(q1Ms <= medianMs && medianMs <= q3Ms && q1Ms > 0).toBe(true);
    expect([gflops, imagesPerSecond]).toEqual([expect.closeTo((2 * macs) / medianMs / 1e6, 9), expect.closeTo(2000 / medianMs, 9)]);
    expect(row).toMatchObject({ backend: 'wasm', threads: 1, batch: 2, input: [2, 64, 32, 3], clock: 'performance.now' });
    const { arena, variables, derived, constants, code } = heldBytes;
    expect(peakBytes).toBe(arena + variables + derived + constants + code);
    expect(code).toBeGreaterThan(10_000);
    // Inference keeps packed weights beside the parameters, a step a velocity for each.
    expect(heldBytes.variables).toBeGreaterThanOrEqual((row.phase === 'step' ? 8 : 4) * params);
    expect(heldBytes.derived > 2 * params).toBe(row.phase === 'fwd');
  }
  const counted = cost(networks['resnet-mini'](), { input: [64, 32], batch: 2 });
  expect(rows[0]).toMatchObject({ macs: counted.macs, params: counted.params });
  expect(rows[1]!.macs).toBeGreaterThan(2.5 * counted.macs);
  const page = await readFile(html, 'utf8');
  expect(page.match(/<svg/g)?.length).toBe(1);
  expect(page).not.toMatch(/(?:src|href)="(?!#|data:)/);
});

test('on a device with a queue, what encoding costs', { timeout: 120_000 }, async ({ skip }) => {
  const backend = await softwareBackend();
  if (typeof backend === 'string') return skip(backend);
  const runtime = await createRuntime(backend, [convWebgpu, mathWebgpu, poolWebgpu, residualWebgpu]);
  const events = await lastValueFrom(
    measureNetworks(runtime, { models: ['resnet-mini'], phases: ['fwd'], batch: 1, repeat: 3 }).pipe(toArray()),
  );
  const [row] = events.flatMap((event) => ('row' in event ? [event.row] : []));
  await runtime.dispose();
  expect(row!.encoding!.dispatches).toBeGreaterThan(20);
  expect(encodingNotes([row!])[0]).toMatch(/^resnet-mini fwd: \d+ dispatches, \d+\.\d\d us of the host for each\.$/);
});

test('a table for people, with spread', { timeout: 60_000 }, async () => {
  const argv = ['bench', '--model', 'all-cnn-c', '--phase', 'fwd', '--input', '16', '--threads', '1', '--repeat', '3'];
  const { code, out } = await shoal(...argv, '--html', join(folder, 'table.html'));
  expect(code).toBe(0);
  expect(out).toMatch(/all-cnn-c +│ fwd +│ 1 of 16x16 │ +1\.4 M │ .* │ +[\d.]+ \.\. [\d.]+ │/);
  expect(out).toMatch(/Backend wasm, 1 thread, (wide, )?clock: performance\.now, 3 interleaved samples a row\./);
});

test('each phase has its own variables, and all start from the same numbers', async () => {
  const runtime = await openRuntime('wasm', { threads: 1 });
  const written: number[][] = [];
  const watched: Runtime = Object.create(runtime, {
    write: { value: (...args: Parameters<Runtime['write']>) => (written.push([...args[1]]), runtime.write(...args)) },
    info: { value: runtime.info },
    compile: { value: runtime.compile.bind(runtime) },
    read: { value: runtime.read.bind(runtime) },
  }) as Runtime;
  const options = { models: ['all-cnn-c'], phases: ['fwd', 'step'], batch: 1, input: [16, 16], repeat: 3 } as const;
  const events = await lastValueFrom(measureNetworks(watched, options).pipe(toArray()));
  const network = networks['all-cnn-c']();
  const { parameters } = network.build(input('image', [1, 16, 16, 3]));
  expect(Object.keys(network.scope.state).length).toBe(parameters.length);
  expect(written.length).toBe(parameters.length);
  parameters.forEach((parameter, i) => expect(written[i]).toEqual([...parameter.initial()]));
  expect(events.filter(({ kind }) => kind === 'sample').map((event) => (event.kind === 'sample' ? event.name : ''))).toEqual([
    'fwd', 'step', 'fwd', 'step', 'fwd', 'step',
  ]); // prettier-ignore
  await runtime.dispose();
});

describe('wrong usage ends with 2 and says what would be right', () => {
  test.each<[string, readonly string[], string]>([
    ['an unknown model', ['--model', 'resnet18', '--model', 'squeezenet1_2'], "there is no network 'squeezenet1_2'. Did you mean squeezenet1_0, squeezenet1_1?"],
    ['a phase of layers', ['--model', 'resnet18', '--phase', 'fwd,bwd'], "--phase fwd,bwd: 'bwd' is no phase of a whole network. Phases: fwd, step"],
    ['a phase of networks', ['--phase', 'step'], "--phase step: 'step' is no phase. Phases: fwd, bwd"],
    ['a batch without a model', ['--batch', '2'], '--batch and --input need --model'],
    ['a photograph of a model', ['--model', 'resnet18', '--image', 'cat.png'], '--image is for comparing layers'],
    ['a size that does not fit', ['--model', 'fishnet-mini', '--input', '48x64'], 'fishnet-mini: image [1,48,64,3] is 48x64, not multiples of 32'],
    ['a report with nowhere to go', ['--model', 'resnet18', '--html', 'no/such/folder/page.html'], 'cannot write no/such/folder/page.html'],
  ])('%s', async (_, argv, message) => {
    const { code, out, log } = await shoal('bench', ...argv);
    expect([code, out]).toEqual([2, '']);
    expect(log).toContain(message);
  }); // prettier-ignore
});

test.each([
  [{}, { wide: false, precision: 'default' }],
  [
    { wide: true, precision: 'strict' },
    { wide: true, precision: 'strict' },
  ],
  [
    { wide: false, strict: true },
    { wide: false, precision: 'strict' },
  ],
])('what a backend says of its mode %#', (flags, mode) => {
  expect(modeOf({ flags })).toEqual(mode);
});
