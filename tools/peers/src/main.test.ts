import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
const run = (...argv: readonly string[]) =>
  spawnSync(process.execPath, ['--conditions=@shoal/source', main, ...argv], { encoding: 'utf8', timeout: 60_000 });

describe('what is measured', () => {
  test.each<[readonly string[], readonly string[]]>([
    [
      ['--layers', 'RN50 c4 3x3'],
      ['RN50 c4 3x3 fwd', 'RN50 c4 3x3 bwd-data', 'RN50 c4 3x3 bwd-weights'],
    ],
    [
      ['--layers', 'AllCNN [12]', '--phase', 'fwd'],
      ['AllCNN 1 fwd', 'AllCNN 2 fwd'],
    ],
    [
      ['--networks', 'all-cnn-c,resnet18', '--phase', 'step'],
      ['all-cnn-c batch 32 step', 'resnet18 batch 8 step'],
    ],
    [
      ['--layers', 'DW*', '--networks', 'fishnet99', '--phase', 'fwd'],
      ['DW 3x3 fwd', 'fishnet99 fwd'],
    ],
    [['--gpu', '--phase', 'step'], ['resnet50 batch 64 step']],
    [
      ['--gpu', '--layers', 'RN50 c2 3x3*'],
      ['RN50 c2 3x3 batch 64 fwd', 'RN50 c2 3x3 batch 64 bwd-data', 'RN50 c2 3x3 batch 64 bwd-weights'],
    ],
  ])('%j', (argv, expected) => {
    const { stdout, status } = run('--list', ...argv);
    expect(stdout.trim().split('\n')).toEqual(expected);
    expect(status).toBe(0);
  });
});

describe('wrong usage ends with 2 and says what would be right', () => {
  test.each<[readonly string[], string]>([
    [['--bogus'], "unknown option '--bogus'"],
    [['--peers', 'shoal,caffe'], "'caffe' is none of shoal, shoal-wide"],
    [['--phase', 'sideways'], "'sideways' is none of fwd, bwd, step"],
    [['--repeat', '2'], 'not a whole number of at least 3'],
    [['--threads', '1,0'], 'not a whole number of at least 1'],
    [['--layers', 'nothing like this'], 'Nothing has that name. There are:\n  RN50 stem fwd'],
  ])('%j', (argv, message) => {
    const { stderr, stdout, status } = run(...argv);
    expect(stderr).toContain(message);
    expect([stdout, status]).toEqual(['', 2]);
  });
});
