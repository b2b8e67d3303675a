/** What CI runs: every stage even after a failure, the time of each, and the counts as the last line and in `reports/summary.txt`. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const testReport = 'reports/vitest.json';

const stages: readonly { name: string; command: string; counted?: boolean }[] = [
  { name: 'format', command: 'oxfmt --check' },
  { name: 'lint', command: 'oxlint' },
  { name: 'build', command: 'tsc -b tsconfig.build.json' },
  { name: 'types and type tests', command: 'tsc -b && tsc -p apps/docs' },
  { name: 'site', command: 'npx -y pnpm@12 --filter @shoal/docs run site:build:quick' },
  { name: 'tests in Node and Chromium', command: 'npx -y pnpm@12 test', counted: true },
  { name: 'packages (publint, attw)', command: 'node tools/check-packages.ts' },
  { name: 'size of the smallest op', command: 'node tools/count-op.ts' },
];

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

rmSync('reports', { recursive: true, force: true });
mkdirSync('reports');

const results = stages.map((stage) => {
  console.log(`\n== ${stage.name}: ${stage.command}`);
  const start = performance.now();
  const { status } = spawnSync(stage.command, { shell: true, stdio: 'inherit', env: { ...process.env, SHOAL_TEST_REPORT: testReport } });
  return { ...stage, ok: status === 0, seconds: (performance.now() - start) / 1000 };
});

const tests: Counts = existsSync(testReport) ? JSON.parse(readFileSync(testReport, 'utf8')) : { passed: 0, failed: 0, skipped: 0 };
// A stage without counts of its own is one failure when it fails; so is a test run that ended badly before it counted one.
const failedStages = results.filter(({ ok, counted }) => !ok && !(counted && tests.failed > 0)).length;

console.log('\n== summary');
for (const { name, ok, seconds } of results) console.log(`${ok ? 'ok    ' : 'FAILED'} ${seconds.toFixed(1).padStart(6)} s  ${name}`);
const line = `${tests.passed} passed, ${tests.failed + failedStages} failed, ${tests.skipped} skipped`;
writeFileSync('reports/summary.txt', `${line}\n`);
console.log(line);
process.exitCode = results.every(({ ok }) => ok) ? 0 : 1;
