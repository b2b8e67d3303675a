import { expect, test } from 'vitest';

test('tests run on the pinned Node, not on the one that installed it', () => {
  expect(process.versions.node.split('.')[0]).toBe('26');
});
