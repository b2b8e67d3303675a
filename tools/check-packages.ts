/** Packs every public package as it would be published and checks the tarballs: `publint --strict`, `attw` for ES modules. */
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const tarballs = mkdtempSync(join(tmpdir(), 'shoal-pack-'));
const failures: string[] = [];

const run = (name: string, command: string, cwd: string): void => {
  const { status, stdout, stderr } = spawnSync(command, { shell: true, cwd, encoding: 'utf8' });
  if (status === 0) return;
  failures.push(name);
  console.error(`${name}: ${command}\n${stdout}${stderr}`);
};

try {
  for (const manifest of globSync('{packages,apps}/*/package.json').toSorted()) {
    const {
      name,
      exports,
      private: isPrivate,
    }: { name: string; exports: object; private?: boolean } = JSON.parse(readFileSync(manifest, 'utf8'));
    if (isPrivate) continue;
    const tarball = join(tarballs, `${name.replace('/', '-')}.tgz`);
    run(name, `npx -y pnpm@12 pack --out "${tarball}"`, dirname(manifest));
    run(name, `publint run "${tarball}" --strict`, '.');
    // A package without entry points (the command line) has no types to resolve.
    if (Object.keys(exports).some((path) => path !== './package.json')) run(name, `attw "${tarball}" --profile esm-only`, '.');
    console.log(`${failures.includes(name) ? 'FAILED' : 'ok    '} ${name}`);
  }
} finally {
  rmSync(tarballs, { recursive: true });
}
process.exitCode = failures.length === 0 ? 0 : 1;
