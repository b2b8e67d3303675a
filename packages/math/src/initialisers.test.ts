import { expect, test } from 'vitest';
import {
  fansOf,
  kaimingNormal,
  kaimingUniform,
  normal,
  parameter,
  uniform,
  xavierNormal,
  xavierUniform,
  type Initialiser,
} from './initialisers.ts';

const shape = [3, 3, 40, 50];

function statistics(initialiser: Initialiser): { mean: number; deviation: number; largest: number } {
  const values = Array.from(initialiser(shape, 'w'));
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
  return { mean, deviation, largest: Math.max(...values.map(Math.abs)) };
}

test('the numbers are those of an independent Philox and Box-Muller', () => {
  expect(Array.from(uniform({ seed: 7, bound: 0.5 })([5], 'conv1.weight'))).toEqual([
    0.11876046657562256, 0.004408725071698427, -0.4184701144695282, 0.4965273439884186, -0.28054946660995483,
  ]);
  expect(Array.from(normal({ seed: 7, deviation: 1 })([5], 'conv1.weight'))).toEqual([
    -0.9794577956199646, -0.027138741686940193, 2.238567590713501, -0.04885190725326538, 1.2332929372787476,
  ]);
});

test('name and seed choose the numbers, the shape only how many', () => {
  const draw = (seed: number, name: string, size: number): readonly number[] => Array.from(normal({ seed, deviation: 1 })([size], name));
  expect(draw(1, 'a', 6)).toEqual(draw(1, 'a', 9).slice(0, 6));
  expect(draw(1, 'a', 6)).not.toEqual(draw(1, 'b', 6));
  expect(draw(1, 'a', 6)).not.toEqual(draw(2, 'a', 6));
});

test.each([
  ['kaimingNormal', kaimingNormal({ seed: 1 }), Math.sqrt(2 / 360)],
  ['kaimingNormal, fan out', kaimingNormal({ seed: 1, fan: 'out' }), Math.sqrt(2 / 450)],
  ['kaimingNormal, leaky', kaimingNormal({ seed: 1, slope: 0.5 }), Math.sqrt(2 / 1.25 / 360)],
  ['kaimingUniform', kaimingUniform({ seed: 1 }), Math.sqrt(2 / 360)],
  ['xavierNormal', xavierNormal({ seed: 1 }), Math.sqrt(2 / 810)],
  ['xavierUniform', xavierUniform({ seed: 1, gain: 2 }), 2 * Math.sqrt(2 / 810)],
])('%s has its variance', (_, initialiser, deviation) => {
  const found = statistics(initialiser);
  expect(Math.abs(found.mean)).toBeLessThan(deviation / 30);
  expect(found.deviation / deviation).toBeCloseTo(1, 1.7);
});

test('uniform numbers fill their interval and stay inside', () => {
  const { largest } = statistics(uniform({ seed: 1, bound: 0.5 }));
  expect(largest).toBeLessThanOrEqual(0.5);
  expect(largest).toBeGreaterThan(0.499);
});

test('fans count the window', () => {
  expect(fansOf([3, 5, 4, 7])).toEqual({ fanIn: 60, fanOut: 105 });
  expect(fansOf([4, 7])).toEqual({ fanIn: 4, fanOut: 7 });
});

test('a shape without fans is an error', () => {
  expect(() => kaimingNormal({ seed: 1 })([8], 'bias')).toThrow(
    'math/initialiser: a parameter of shape [8] has no fan. Use normal, uniform or a number.',
  );
});

test('a parameter has its name, and its first value from the initialiser or a number', () => {
  const weight = parameter('conv1.weight', [5], uniform({ seed: 7, bound: 0.5 }));
  expect(weight.name).toBe('conv1.weight');
  expect(weight.initial()[0]).toBe(0.11876046657562256);
  expect(Array.from(parameter('bn1.weight', [2], 1).initial())).toEqual([1, 1]);
});
