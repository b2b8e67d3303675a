import { createRuntime, wasm } from '@shoal/backend-wasm';
import { adaptiveMaxPool2dWithWinner } from '@shoal/pool';
import { poolWasm } from '@shoal/pool/wasm';
import { input, topological, concat, slice } from '@shoal/core';
import { test } from 'vitest';
test('x', async () => {
  const x = input('x', [1, 5, 5, 1]);
  const { output, winner } = adaptiveMaxPool2dWithWinner(x, { output: 3 });
  const nodes = topological([output, winner]);
  const r = await createRuntime(wasm({ threads: 3 }), [poolWasm]);
    const a = input('a', [1, 5, 1, 1]), b = input('b', [1, 5, 1, 1]), d= input('d', [1, 5, 1, 1]);
    const c = concat([a, b, d], 2);
    console.log([...(await (await r.compile({outputs: {c}})).run({a: [1,2,3,4,5], b: [6,7,8,9,10], d: [11,12,13,14,15]})).c!].join(' '));
    const ex = await r.compile({ outputs: {output, winner} });
    for (let i = 0; i < 5; i++)
    for (const [k, v] of Object.entries(await ex.run({ x: Array.from({length: 25}, () => -1) }))) console.log(k, [...v].join(' '));
});
