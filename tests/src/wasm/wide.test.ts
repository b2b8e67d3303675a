import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';

interface Report {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly notes: readonly string[];
  readonly late: string | null;
  readonly hashes: readonly string[];
}

/** Wide mode belongs to a process, so each is one of its own. */
async function run(mode: string, flags: readonly string[] = []): Promise<Report & { readonly complaints: string }> {
  const script = fileURLToPath(new URL('wide-programs.ts', import.meta.url));
  const args = ['--conditions=@shoal/source', '--experimental-strip-types', '--no-warnings', ...flags, script, mode];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { timeout: 50_000 });
  return { ...(JSON.parse(stdout) as Report), complaints: stderr };
}

describe('wide mode', () => {
  let [narrow, wide]: (Awaited<ReturnType<typeof run>> | undefined)[] = [];
  beforeAll(async () => {
    narrow = await run('narrow');
    wide = await run('wide');
  });

  test('changes no bit of any result', () => {
    expect(wide!.hashes.length).toBeGreaterThan(50);
    expect(wide!.hashes).toEqual(narrow!.hashes);
  });

  test('is off unless asked for', () => {
    expect(narrow).toMatchObject({ flags: { wide: false }, notes: [] });
  });

  test('comes true where the engine can, or a note says why not; nothing is printed', () => {
    const notes = wide!.flags['wide'] === true ? [] : [expect.stringMatching(/^narrow: /)];
    expect(wide).toMatchObject({ notes, complaints: '' });
  });

  test("the engine's flag on Node's command line asks for it as well", async () => {
    const { flags, hashes, notes } = await run('narrow', ['--experimental-wasm-revectorize']);
    expect({ wide: flags['wide'], hashes, notes: notes.length }).toEqual({
      wide: wide!.flags['wide'],
      hashes: narrow!.hashes,
      notes: wide!.notes.length,
    });
  });

  test('asked for after a runtime was opened it is refused, and nothing changes', async () => {
    expect(await run('late')).toMatchObject({ late: 'UNSUPPORTED', flags: { wide: false }, hashes: narrow!.hashes });
  });
});
