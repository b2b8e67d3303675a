import type { Runtime } from '@shoal/core';
import { createRuntime } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import {
  countSkips,
  mappedOps,
  parseFile,
  reportOf,
  runExternalCase,
  runExternalFiles,
  unpermittedSkips,
  type ExternalCase,
} from '@shoal/conformance/external';
import { readCaseFolder, runExternalCases } from '@shoal/conformance/external/node';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeOracle } from './oracle.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await makeOracle();
});
afterAll(() => runtime.dispose());

const tensor = (name: string, shape: readonly number[], data: readonly (number | string)[], dtype = 'float32') => ({
  name,
  shape,
  dtype,
  data,
});
const relu = {
  name: 'one',
  op: 'Relu',
  opset: 14,
  attrs: {},
  inputs: [tensor('x', [3], [-1, 0, 2])],
  outputs: [tensor('y', [3], [0, 0, 2])],
};
const file = (source: string, ...cases: readonly object[]): string => JSON.stringify({ source, op: 'any', cases });
const onnx = (one: object): ExternalCase => parseFile('onnx/Any.json', file('ONNX backend test data', one)).cases[0]!;
const torch = (one: object): ExternalCase => parseFile('torch/any.json', file('generated with PyTorch', one)).cases[0]!;
const tfjs = (one: object): ExternalCase => parseFile('tfjs/Any.json', file('npm @tensorflow/tfjs-core', one)).cases[0]!;

describe('parseFile', () => {
  test('restores float32 values, NaN and infinities', () => {
    const { inputs, attributes } = onnx({
      ...relu,
      attrs: { value: '-Infinity', list: [1, 'NaN'] },
      inputs: [null, tensor('x', [3], [0.1, 'NaN', 'Infinity'])],
    });
    expect(inputs).toEqual([null, { name: 'x', shape: [3], dtype: 'float32', data: [Math.fround(0.1), NaN, Infinity] }]);
    expect(attributes).toEqual({ value: -Infinity, list: [1, NaN] });
  });

  test.each([
    ['{', 'conformance: onnx/Bad.json: not JSON.'],
    ['{}', "no 'source' and list of 'cases'"],
    [file('a magazine'), "unknown source 'a magazine'"],
    [file('ONNX', {}), "case 0: no 'name' and 'op'"],
    [file('ONNX', { ...relu, attrs: undefined }), "case 0: no 'attrs'"],
    [file('ONNX', { ...relu, inputs: undefined }), "case 0: no 'inputs' and 'outputs'"],
    [file('ONNX', { ...relu, inputs: [tensor('x', [2], [1])] }), 'case 0: inputs 0: 1 numbers for shape [2]'],
    [file('ONNX', { ...relu, inputs: [tensor('x', [1], [1], 'float16')] }), "case 0: inputs 0: unknown dtype 'float16'"],
    [file('ONNX', { ...relu, inputs: [tensor('x', [1], ['one'])] }), "case 0: inputs 0: 'one' is not a number"],
  ])('says what is wrong with %s', (text, message) => {
    expect(() => parseFile('onnx/Bad.json', text)).toThrow(message);
  });
});

describe('runExternalCase', () => {
  test('a right answer passes, a wrong one fails and says where', async () => {
    expect(await runExternalCase('onnx', onnx(relu), runtime)).toEqual({ outcome: 'passed', detail: '' });
    const wrong = onnx({ ...relu, outputs: [tensor('y', [3], [0, 0, 2.01])] });
    expect(await runExternalCase('onnx', wrong, runtime)).toEqual({
      outcome: 'failed',
      detail: expect.stringContaining(`output y: element 2 is 2, expected ${Math.fround(2.01)}`),
    });
  });

  test('unknown ops, unread attributes and ranks are skips with their reasons', async () => {
    expect(await runExternalCase('onnx', onnx({ ...relu, op: 'Einsum' }), runtime)).toEqual({ outcome: 'op', detail: 'Einsum' });
    expect(await runExternalCase('onnx', onnx({ ...relu, attrs: { shiny: 1 } }), runtime)).toEqual({
      outcome: 'attribute',
      detail: 'unknown attribute shiny',
    });
    const line = { ...relu, op: 'MaxPool', attrs: { kernel_shape: [2] }, inputs: [tensor('x', [1, 1, 3], [1, 2, 3])] };
    expect(await runExternalCase('onnx', onnx(line), runtime)).toEqual({ outcome: 'rank', detail: 'rank 3 where 4 is needed' });
    expect(await runExternalCase('onnx', onnx({ ...relu, op: 'toString' }), runtime)).toMatchObject({ outcome: 'op' });
  });

  test('an op that the runtime lacks is a skip, named', async () => {
    const bare = await createRuntime(reference());
    const one = tfjs({
      name: 'pool',
      op: 'MaxPool',
      attrs: { filterSize: 1, strides: 1, pad: 0 },
      inputs: [tensor('x', [1, 1, 1, 1], [1])],
      outputs: [tensor('', [1, 1, 1, 1], [1])],
    });
    expect(await runExternalCase('tfjs', one, bare)).toEqual({ outcome: 'op', detail: 'pool/max (no kernel was given)' });
  });

  test('an assertion without a counterpart is no pass', async () => {
    const two = onnx({ ...relu, outputs: [...relu.outputs, tensor('mask', [3], [0, 0, 1])] });
    expect(await runExternalCase('onnx', two, runtime)).toEqual({
      outcome: 'attribute',
      detail: 'asserts 2 outputs, of which 1 exist here',
    });
  });

  test('gradients are compared, in the layout of the source', async () => {
    const global = {
      name: 'global',
      op: 'global_avg_pool',
      attrs: {},
      inputs: [tensor('x', [1, 2, 1, 3], [1, 2, 3, 4, 5, 9], 'float64')],
      outputs: [tensor('y', [1, 2, 1, 1], [2, 6], 'float64')],
      upstream: [tensor('y', [1, 2, 1, 1], [3, 6], 'float64')],
      grads: [tensor('x', [1, 2, 1, 3], [1, 1, 1, 2, 2, 2], 'float64')],
      torch_f32_max_abs_err: { outputs: [0], grads: [0] },
    };
    expect(await runExternalCase('torch', torch(global), runtime)).toEqual({ outcome: 'passed', detail: '' });
    const swapped = { ...global, grads: [tensor('x', [1, 2, 1, 3], [2, 2, 2, 1, 1, 1], 'float64')] };
    expect(await runExternalCase('torch', torch(swapped), runtime)).toEqual({
      outcome: 'failed',
      detail: expect.stringContaining('gradient to x: element'),
    });
  });

  test('float64 results are held to twelve digits', async () => {
    const sum = (expected: number) =>
      torch({
        name: 'sum',
        op: 'add_broadcast',
        attrs: {},
        inputs: [tensor('a', [1], [1], 'float64'), tensor('b', [1], [2], 'float64')],
        outputs: [tensor('y', [1], [expected], 'float64')],
      });
    expect((await runExternalCase('torch', sum(3 + 1e-12), runtime)).outcome).toBe('passed');
    expect((await runExternalCase('torch', sum(3 + 1e-11), runtime)).outcome).toBe('failed');
  });
});

describe('reports', () => {
  test('count what passed, failed and was skipped, with reasons', async () => {
    const text = file(
      'ONNX',
      relu,
      { ...relu, name: 'two', op: 'Einsum' },
      { ...relu, name: 'three', outputs: [tensor('y', [3], [1, 0, 2])] },
    );
    const results = await runExternalFiles([parseFile('onnx/Mixed.json', text)], runtime);
    expect(reportOf('reference', results)).toEqual({
      schema: 'shoal.conform/1',
      backend: 'reference',
      passed: 1,
      failed: 1,
      skipped: 1,
      failures: [{ case: 'onnx/Mixed.json: three', reason: expect.stringContaining('output y: element 0 is 0, expected 1') }],
      skips: [{ reason: 'op', count: 1, cases: ['onnx/Mixed.json: two'] }],
    });
    expect(countSkips(results)).toEqual({ 'onnx/Mixed.json': { op: 1 } });
    expect(unpermittedSkips(results, { 'onnx/Mixed.json': { op: 1 } })).toEqual([]);
    expect(unpermittedSkips(results, {})).toEqual(["onnx/Mixed.json: 1 skipped for 'op', 0 permitted: onnx/Mixed.json: two (Einsum)"]);
  });

  test('a folder is read with its subfolders; one without cases is an error', async () => {
    const root = await mkdtemp(join(tmpdir(), 'shoal-cases-'));
    try {
      await expect(readCaseFolder(root)).rejects.toThrow('no .json file in');
      await expect(readCaseFolder(join(root, 'nowhere'))).rejects.toThrow('cannot read the folder');
      await mkdir(join(root, 'onnx'));
      await writeFile(join(root, 'onnx', 'Relu.json'), file('ONNX', relu));
      expect((await readCaseFolder(root)).map(({ path }) => path)).toEqual(['onnx/Relu.json']);
      expect(await runExternalCases(root, runtime)).toMatchObject({ backend: 'reference', passed: 1, failed: 0, skipped: 0 });
    } finally {
      await rm(root, { recursive: true });
    }
  });

  test('an aborted run stops', async () => {
    const files = [parseFile('onnx/Relu.json', file('ONNX', relu))];
    await expect(runExternalFiles(files, runtime, { signal: AbortSignal.abort() })).rejects.toThrow('aborted');
  });

  test('every source maps its ops', () => {
    expect(mappedOps('onnx')).toEqual(expect.arrayContaining(['Conv', 'MaxPool', 'Momentum', 'Resize', 'SoftmaxCrossEntropyLoss']));
    expect(mappedOps('torch')).toEqual(expect.arrayContaining(['conv2d', 'softmax_cross_entropy']));
    expect(mappedOps('tfjs')).toEqual(expect.arrayContaining(['Conv2DBackpropFilter', 'MaxPoolGrad']));
  });
});
