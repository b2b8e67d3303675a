/** Packs every public package as it would be published and checks the tarballs: `publint --strict`, `attw` for ES modules. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack } from './pack.ts';

const tarballs = mkdtempSync(join(tmpdir(), 'shoal-pack-'));
const failures = new Set<string>();

const run = (name: string, command: string): void => {
  const { status, stdout, stderr } = spawnSync(command, { shell: true, encoding: 'utf8' });
  if (status === 0) return;
  failures.add(name);
  console.error(`${name}: ${command}\n${stdout}${stderr}`);
};

try {
  for (const { name, path, entries } of pack(tarballs)) {
    run(name, `publint run "${path}" --strict`);
    // A package without entry points (the command line) has no types to resolve.
    if (entries.length > 0) run(name, `attw "${path}" --profile esm-only`);
    console.log(`${failures.has(name) ? 'FAILED' : 'ok    '} ${name}`);
  }
} finally {
  rmSync(tarballs, { recursive: true });
}
process.exitCode = failures.size === 0 ? 0 : 1;
