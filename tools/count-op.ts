import { readFileSync } from 'node:fs';

/**
 * What the smallest real op costs to add: max pooling with its gradient, and the reference backend's kernels for both.
 * Lines of code, without blank lines and comments; the table of cases is data and is not counted.
 *
 *     node tools/count-op.ts
 */
const files = ['packages/pool/src/max-pool.ts', 'packages/pool/src/reference/max-pool.ts'];
const shared = ['packages/pool/src/ops.ts', 'packages/pool/src/reference/index.ts'];
/** CONTRIBUTING promises that adding an op stays this small. */
const limit = { files: 3, lines: 100 };

const codeLines = (path: string): number =>
  readFileSync(path, 'utf8')
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trim().startsWith('//')).length;

const counts = files.map((path) => ({ path, lines: codeLines(path) }));
counts.forEach(({ path, lines }) => console.log(`${String(lines).padStart(4)} ${path}`));
const lines = counts.reduce((sum, each) => sum + each.lines, 0);
console.log(`${String(lines).padStart(4)} lines in ${files.length} files, and a line each in ${shared.join(' and ')}`);
if (files.length > limit.files || lines > limit.lines) {
  console.error(`more than ${limit.lines} lines in ${limit.files} files`);
  process.exitCode = 1;
}
