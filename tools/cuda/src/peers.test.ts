import { expect, test } from 'vitest';
import type { PeersRecord, Row } from '../../peers/src/record.ts';
import { peakGflops } from './peak.ts';
import { findingOf } from './peers.ts';

const h100 = { capability: 9, multiprocessors: 132, clockMHz: 1980 };

test.each([
  [{ ...h100, precision: 'float32' }, 66_908],
  [{ ...h100, precision: 'tf32' }, 535_265],
  [{ capability: 8, multiprocessors: 108, clockMHz: 1410, precision: 'tf32' }, 155_935],
  [{ capability: 7.5, multiprocessors: 40, clockMHz: 1590, precision: 'tf32' }, undefined],
  [{ capability: 99, multiprocessors: 1, clockMHz: 1, precision: 'float32' }, undefined],
])('the peak of %o', (flags, gflops) => {
  const peak = peakGflops(flags);
  expect(peak === undefined ? peak : Math.round(peak)).toBe(gflops);
});

test('rates are those of the device where it was timed by itself; who disagrees, or starts and fails, is wrong', () => {
  const times = { runsPerSample: 1, samplesNs: [10], q1Ns: 10, q3Ns: 10, p95Ns: 10, bestNs: 10, medianNs: 10 };
  const row = {
    work: 'layer',
    flop: 400,
    measurements: [
      { engine: 'shoal-cuda', ...times, deviceMedianNs: 5 },
      { engine: 'pytorch-cuda', ...times },
      { engine: 'shoal-cuda-cudnn', reason: 'the process ended with code 1' },
      { engine: 'shoal-cuda-shipped', reason: 'no driver' },
      { engine: 'ort-cuda', reason: 'disagrees with the Shoal, strict' },
    ],
  };
  const names = ['shoal-cuda', 'shoal-cuda-cudnn', 'pytorch-cuda', 'ort-cuda'];
  const record = { rows: [row as unknown as Row, row as unknown as Row], engines: names.map((name) => ({ name, info: {} })) };
  const found = findingOf(record as unknown as PeersRecord, 100);
  expect(found.fractions.slice(0, 2)).toEqual([
    { work: 'layer', engine: 'shoal-cuda', gflops: 80, ofPeak: 0.8 },
    { work: 'layer', engine: 'pytorch-cuda', gflops: 40, ofPeak: 0.4 },
  ]);
  expect(found.notMeasured).toHaveLength(3);
  expect(found.wrong.map(({ engine }) => engine)).toEqual(['shoal-cuda-cudnn', 'ort-cuda']);
  expect(findingOf(record as unknown as PeersRecord, undefined).fractions).toEqual([]);
});
