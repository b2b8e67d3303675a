import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
/** Within a package that may import all others. */
const folder = join(import.meta.dirname, '../node_modules/.readme');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'docs/gradient-flow.md',
  'apps/docs/src/first-hour.mdx',
  'apps/docs/src/getting-started.mdx',
  'apps/docs/src/performance.mdx',
  'apps/docs/src/wasm-kernel.mdx',
  'apps/docs/src/webgpu.mdx',
];
const blocksOf = (page: string, language: string): readonly string[] =>
  [...readFileSync(join(root, page), 'utf8').matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, code]) => code!);

/** `npx -y pnpm@12 [-s] SCRIPT ARGUMENTS`, without the remark or redirection behind it. */
const commands = pages.flatMap((page) =>
  blocksOf(page, 'sh').flatMap((block) =>
    [...block.matchAll(/^npx -y pnpm@12 (?:-s )?(\S+)([^#>\n]*)/gm)].map(([, script, rest]) => [page, script!, rest!.trim()] as const),
  ),
);

describe('the code of README.md runs', () => {
  const programs = blocksOf('README.md', 'js').map((code, i) => [i + 1, code] as const);
  test.each(programs)('block %i', async (number, code) => {
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `block-${number}.js`);
    writeFileSync(file, code);
    const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@shoal/source', file]);
    expect(stdout.trim().split('\n').length).toBeGreaterThan(2);
  });
});

describe('the commands of the pages exist', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

  test('there are commands to look at', () => expect(commands.length).toBeGreaterThan(15));

  test.each(commands.filter(([, script]) => script !== 'exec' && script !== 'shoal'))('%s: %s %s', (_, script) => {
    expect(Object.keys(scripts)).toContain(script);
  });

  const shoal = async (argv: readonly string[]): Promise<string> => {
    mkdirSync(folder, { recursive: true });
    const main = join(root, 'apps/cli/src/main.ts');
    return (await promisify(execFile)(process.execPath, ['--conditions=@shoal/source', main, ...argv], { cwd: folder })).stdout;
  };
  const ofShoal = commands.filter(([, script]) => script === 'shoal');

  test.each(ofShoal)('%s: %s %s', async (_, script, rest) => {
    const [command, ...options] = rest.split(' ');
    const help = await shoal([command!, '--help']);
    expect(help).toContain(`Usage: ${script} ${command}`);
    for (const option of options.filter((word) => word.startsWith('--'))) expect(help).toContain(`  ${option} `);
  });

  test.each(ofShoal.filter(([page]) => page.includes('first-hour')))('%s runs: %s %s', async (_, __, rest) => {
    expect((await shoal(rest.split(' '))).split('\n').length).toBeGreaterThan(10);
  });
});
