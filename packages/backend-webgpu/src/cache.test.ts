import { describe, expect, test } from 'vitest';
import { SharedCache } from './cache.ts';

describe('a cache that is shared', () => {
  const counting = (spare: number) => {
    const made: string[] = [];
    const cache = new SharedCache<string>(spare);
    const acquire = (key: string, user: object): Promise<string> => cache.acquire(key, user, () => Promise.resolve(`${made.push(key)}`));
    return { cache, made, acquire };
  };
  test('makes one for all users, and keeps it while there is one', async () => {
    const { cache, made, acquire } = counting(0);
    const [one, other] = [{}, {}];
    expect(await Promise.all([acquire('a', one), acquire('a', other), acquire('b', one)])).toEqual(['1', '1', '2']);
    cache.release(one);
    expect([cache.size, await acquire('a', one)]).toEqual([1, '1']);
    cache.release(one);
    cache.release(other);
    expect(cache.size).toBe(0);
    await acquire('a', one);
    expect(made).toEqual(['a', 'b', 'a']);
  });
  test('of those without users it keeps the ones last asked for', async () => {
    const { cache, made, acquire } = counting(2);
    for (let i = 0; i < 100; i++) {
      const user = {};
      await acquire('often', user);
      await acquire(`${i}`, user);
      cache.release(user);
      expect(cache.size).toBeLessThanOrEqual(2);
    }
    expect(made.filter((key) => key === 'often').length).toBe(1);
  });
  test('what could not be made is tried again', async () => {
    const cache = new SharedCache<number>(1);
    const user = {};
    await expect(cache.acquire('a', user, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect([cache.size, await cache.acquire('a', user, () => Promise.resolve(7))]).toEqual([0, 7]);
  });
});
