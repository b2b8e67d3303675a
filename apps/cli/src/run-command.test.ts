import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { version } from './bench/environment.ts';
import { measureMatrix } from './conform.ts';
import { runCommandLine } from './program.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-cli-'));
});
afterAll(() => rm(folder, { recursive: true }));

interface Run {
  readonly code: number;
  readonly out: string;
  readonly log: string;
}

async function shoal(...argv: readonly string[]): Promise<Run> {
  let [out, log] = ['', ''];
  const code = await runCommandLine(argv, { out: (text) => (out += text), log: (text) => (log += text), interactive: false });
  return { code, out, log };
}

/** Parses machine output and holds it against its schema. */
async function checked(name: string, text: string): Promise<Record<string, unknown>> {
  const value = JSON.parse(text) as Record<string, unknown>;
  const schema = JSON.parse(await readFile(fileURLToPath(new URL(`../schemas/${name}.schema.json`, import.meta.url)), 'utf8')) as object;
  const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
  ajv.validate(schema, value);
  expect(ajv.errors ?? []).toEqual([]);
  return value;
}

describe('wrong usage ends with 2 and says what would be right', () => {
  test.each<[string, readonly string[], string]>([
    ['an unknown option', ['bench', '--bogus'], "error: unknown option '--bogus'"],
    ['an unknown command', ['benhc'], "error: unknown command 'benhc'"],
    ['an argument too many', ['doctor', 'now'], 'too many arguments'],
    ['an unknown backend', ['bench', '--backend', 'gpu'], "shoal: unknown backend 'gpu'. Known backends: cpu, reference, wasm, webgpu"],
    ['an unknown phase', ['bench', '--phase', 'fwd,sideways'], "shoal: --phase fwd,sideways: 'sideways' is no phase. Phases: fwd, bwd"],
    ['too few samples', ['bench', '--repeat', '2'], 'shoal: --repeat 2 is not a whole number of at least 3'],
    ['no threads', ['bench', '--threads', '0'], 'shoal: --threads 0 is not a whole number from 1 to 256'],
    ['too many threads', ['conform', '--threads', '4096'], 'shoal: --threads 4096 is not a whole number from 1 to 256'],
    [
      'threads of a backend that has none',
      ['conform', '--threads', '2', '--backend', 'reference'],
      'shoal: --threads is for the CPU backend',
    ],
    ['a phase twice', ['bench', '--phase', 'fwd,fwd'], 'shoal: --phase fwd,fwd: fwd is there twice'],
    [
      'a report that cannot be written',
      ['bench', '--html', 'no/such/folder/page.html'],
      'shoal: cannot write no/such/folder/page.html: ENOENT',
    ],
    ['a page on standard output', ['explain', '--html', '-'], 'shoal: --html -: only --json goes to standard output. Name a file'],
    [
      'a matrix of some cases',
      ['conform', '--matrix', 'm.md', '--cases', '.'],
      'shoal: --matrix is of every backend, and takes no --cases',
    ],
    ['a missing image', ['bench', '--image', 'no-such.png'], 'shoal: cannot read image no-such.png: ENOENT'],
    [
      'numbers that are none',
      ['explain', '--filter', '1,x,0,0'],
      'shoal: --filter needs 4 finite numbers separated by commas, got 4: 1,x,0,0',
    ],
    ['a network that there is not', ['flow', 'resnet50', 'resnet51'], "shoal: there is no network 'resnet51'. Did you mean resnet50"],
    [
      'a page with nowhere to go',
      ['flow', 'resnet18', '--html', 'no/such/folder/page.html'],
      'shoal: cannot write no/such/folder/page.html: ENOENT',
    ],
    ['no network', ['flow'], "error: missing required argument 'model'"],
    ['a size that is none', ['flow', 'resnet18', '--input', '64by64'], 'shoal: --input 64by64 is no size. Give height and width'],
    [
      'a size that the last network cannot take',
      ['flow', 'resnet18', 'fishnet-mini', '--input', '48x64'],
      'shoal: fishnet-mini: image [8,48,64,3] is 48x64, not multiples of 32. Crop or pad it to 64x64.',
    ],
    ['no golden file', ['verify'], "error: missing required argument 'golden'"],
    ['a golden file that is not there', ['verify', 'no-such.json'], 'shoal: cannot read no-such.json: ENOENT'],
    [
      'a golden file that is none',
      ['verify', fileURLToPath(new URL('../package.json', import.meta.url))],
      'golden: net, gain2, weights_bits',
    ],
    ['an empty folder of cases', ['conform', '--backend', 'reference', '--cases', 'no-such-folder'], 'cannot read the folder'],
  ])('%s', async (_, argv, message) => {
    const { code, out, log } = await shoal(...argv);
    expect([code, out]).toEqual([2, '']);
    expect(log).toContain(message);
  });
  test.each(['not an image', '\x89PNG\r\n\x1a\n but cut off', '\xff\xd8\xff\xe0 but cut off'])(
    'an unreadable image: %j',
    async (content) => {
      const file = join(folder, 'broken');
      await writeFile(file, content, 'latin1');
      const { code, log } = await shoal('bench', '--image', file);
      expect(code).toBe(2);
      expect(log).toMatch(/^shoal: cannot read image .*Give a whole PNG or JPEG file\n$/);
    },
  );
});

test.each(['bench', 'profile', 'explain', 'doctor', 'conform', 'verify', 'flow'])(
  '%s --help has an example and ends with 0',
  async (command) => {
    const { code, out } = await shoal(command, '--help');
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`Examples?:\\n  shoal ${command}`));
  },
);

test('--version is the version of the package', async () => {
  const { code, out } = await shoal('--version');
  expect([code, out]).toEqual([0, `${version}\n`]);
});

describe('explain', () => {
  const image = '1,3,2,0,4,2,1,1,0,1,5,2,2,0,1,3';
  test('machine output has a schema, and the numbers are right', async () => {
    const { code, out } = await shoal('explain', '--image', image, '--filter', '-1,0,0,1', '--json', '-');
    expect(code).toBe(0);
    const { ways } = (await checked('explain-1', out)) as {
      ways: { name: string; output: { values: number[] }; imageGradient: { values: number[] } }[];
    };
    expect(ways.map(({ output }) => output.values).slice(0, 3)).toEqual([
      [4, 2, 2, 5],
      [2.5, 1, 0.75, 2.75],
      [1, -1, 0, -2],
    ]);
    expect(ways[0]!.imageGradient.values).toEqual([0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0]);
  });
  test('text and page show the same example', async () => {
    const page = join(folder, 'explain.html');
    const { out } = await shoal('explain', '--image', image, '--html', page);
    expect(out).toContain('max pooling 2x2: keeps the largest of each four');
    const html = await readFile(page, 'utf8');
    expect(html).toContain('gradient to the filter');
    expect(html).not.toMatch(/(?:src|href)="(?!#|data:)/); // nothing is fetched
  });
});

test('doctor says what runs, and why the others do not', { timeout: 120_000 }, async () => {
  const { code, out } = await shoal('doctor', '--json', '-');
  const { findings } = (await checked('doctor-1', out)) as { findings: { backend: string; runs: boolean; reason?: string }[] };
  expect(code).toBe(0);
  expect(findings.filter(({ runs }) => runs).map(({ backend }) => backend)).toEqual(expect.arrayContaining(['reference', 'wasm']));
  expect(findings.find(({ backend }) => backend === 'tfjs-node-gpu')).toMatchObject({
    runs: false,
    reason: expect.stringMatching(/never run with Shoal.*Node 18 to 20, CUDA 11\.2 and cuDNN 8\.1/),
  });
  const speeds = { convolutionGflops: expect.any(Number), additionGBps: expect.any(Number), copyGBps: expect.any(Number) };
  for (const finding of findings.filter(({ backend, runs }) => runs && backend !== 'reference')) expect(finding).toMatchObject(speeds);
  const webgpu = findings.find(({ backend }) => backend === 'webgpu')!;
  if (webgpu.runs) expect(webgpu).toMatchObject({ flags: { features: expect.any(String), maxBufferSize: expect.any(Number) } });
  expect(findings.map(({ backend }) => backend)).toEqual(expect.arrayContaining(['cuda', 'cuda-cudnn']));
  for (const finding of findings) expect(finding.runs || (finding.reason ?? '').length > 10).toBe(true);
});

test('conform counts what passes and what is skipped', { timeout: 120_000 }, async () => {
  const { code, out } = await shoal('conform', '--backend', 'wasm', '--threads', '1', '--json', '-');
  const report = (await checked('conform-1', out)) as { passed: number; failed: number };
  expect([code, report.failed]).toEqual([0, 0]);
  expect(report.passed).toBeGreaterThan(500);
});

test('the matrix of backends has a schema, and names what it leaves out', async () => {
  let log = '';
  const matrix = await measureMatrix(['reference'], { out: () => undefined, log: (text) => (log += text), interactive: false });
  await checked('support-1', JSON.stringify(matrix));
  expect(matrix.backends).toEqual(['reference']);
  expect(matrix.notMeasured.map(({ name }) => name)).toEqual(['tfjs-webgpu']);
  expect(log).toContain('tfjs-webgpu is left out: this engine of TensorFlow.js runs in browsers only');
});

test('bench answers the question on the photograph', { timeout: 300_000 }, async () => {
  const [json, html] = [join(folder, 'bench.json'), join(folder, 'bench.html')];
  const { code, out, log } = await shoal('bench', '--repeat', '3', '--json', json, '--html', html);
  expect([code, log]).toEqual([0, expect.stringContaining(`Report with plots: ${html}`)]);
  const { rows, claims, answer } = (await checked('bench-1', await readFile(json, 'utf8'))) as {
    rows: { id: string; name: string; phase: string; macs: number; params: number; samplesNs: number[]; receptiveField: number }[];
    claims: { holds: boolean }[];
    answer: string[];
  };
  const row = (name: string, phase = 'fwd') => rows.find((each) => each.name === name && each.phase === phase)!;
  expect(rows.length).toBe(2 * (8 + 8 + 5));
  expect(rows.every(({ samplesNs }) => samplesNs.length === 3)).toBe(true);
  // The stem of ResNet at 224: the arithmetic of the papers.
  expect([row('7x7/2').macs, row('7x7/1, max 2x2').macs, row('7x7/2').params]).toEqual([118_013_952, 472_055_808, 9408]);
  expect([row('7x7/2').receptiveField, row('three 3x3/1').receptiveField, row('three 3x3, first /2 (ResNet-D)').receptiveField]).toEqual([
    7, 7, 11,
  ]);
  expect(claims.map(({ holds }) => holds)).toEqual([true, true, false]);
  expect(answer.length).toBeLessThanOrEqual(6);
  for (const sentence of answer) expect(sentence).toMatch(/\b[LN]\d+\b|published, not measured here/);
  for (const id of answer.join(' ').match(/\b[LN]\d+\b/g) ?? []) expect(rows.map((each) => each.id)).toContain(id);
  expect(out).toContain('Pool or stride?');
  expect(out).toContain('published, not measured here');
  const report = await readFile(html, 'utf8');
  expect(report.match(/<svg/g)?.length).toBe(3);
  expect(report).toMatch(/<dt>backend<\/dt><dd>wasm<\/dd>\s*<dt>threads<\/dt><dd>\d+<\/dd>\s*<dt>clock<\/dt><dd>[a-z. ]+<\/dd>/i);
  expect(report).not.toMatch(/(?:src|href)="(?!#|data:)/);
});

describe('verify', () => {
  const golden = fileURLToPath(new URL('../../../tests/fixtures/golden/strided-cnn-c.json', import.meta.url));

  test('machine output has a schema, and a network that matches ends with 0', async () => {
    const { code, out } = await shoal('verify', golden, '--json', '-');
    const report = await checked('verify-1', out);
    expect([code, report['ok'], report['model'], report['backend']]).toEqual([0, true, 'strided-cnn-c', 'wasm']);
  });

  test('one that does not ends with 1 and says where it parts', async () => {
    const file = join(folder, 'changed.json');
    const text = await readFile(golden, 'utf8');
    await writeFile(file, text.replace(/"loss_f64": ?[\d.]+/, '"loss_f64":1'));
    const { code, out } = await shoal('verify', file);
    expect(code).toBe(1);
    expect(out).toMatch(/strided-cnn-c on wasm does not match\. The first that differs: train\/loss, error \d/);
  });
});

test('flow compares two networks, run by run, in numbers, words and plots', { timeout: 120_000 }, async () => {
  const [json, html] = [join(folder, 'flow.json'), join(folder, 'flow.html')];
  const { code, out, log } = await shoal(
    'flow',
    'resnet-mini',
    'fishnet-mini',
    '--seeds',
    '2',
    '--batch',
    '4',
    '--threads',
    '1',
    '--json',
    json,
    '--html',
    html,
  );
  expect([code, log]).toEqual([0, expect.stringContaining(`Page with plots: ${html}`)]);
  const { models, conclusions } = (await checked('flow-1', await readFile(json, 'utf8'))) as {
    models: {
      model: string;
      input: number[];
      activations: { l2: { values: number[] } }[];
      isolatedConvolutions: { name: string; strided: boolean }[];
    }[];
    conclusions: string[];
  };
  expect(models.map(({ model, input }) => [model, input])).toEqual([
    ['resnet-mini', [4, 64, 64, 3]],
    ['fishnet-mini', [4, 64, 64, 3]],
  ]);
  expect(models.flatMap(({ activations }) => activations.map(({ l2 }) => l2.values.length))).toEqual(
    Array.from({ length: 6 + 12 }, () => 2),
  );
  expect(models.map(({ isolatedConvolutions: isolated }) => [isolated.length, isolated.filter(({ strided }) => strided).length])).toEqual([
    [4, 3],
    [4, 0],
  ]);
  expect(out).toContain(
    'Isolated convolutions: 4, 3 of them strided: layer1.0.downsample.0 (1x1, beside layer1.0), layer2.0.downsample.0 (1x1/2',
  );
  expect(out).toContain('fish.fish.3.0.2 (1x1, between), fish.fish.3.1 (1x1, between)');
  expect(out).toContain('Networks compared');
  for (const sentence of conclusions) expect(out).toContain(sentence);
  const page = await readFile(html, 'utf8');
  expect(page.match(/<svg/g)?.length).toBe(4); // norms and gains, of each
  expect(page).not.toMatch(/(?:src|href)="(?!#|data:)/);
});

test('flow without residual blocks, one run, to standard output and nothing else there', { timeout: 120_000 }, async () => {
  const { code, out } = await shoal('flow', 'model-c', '--input', '16x24', '--batch', '2', '--seeds', '1', '--threads', '1', '--json', '-');
  const { models } = (await checked('flow-1', out)) as {
    models: { edges: { kind: string }[]; isolatedConvolutions: unknown[]; loss: { interval: unknown } }[];
  };
  expect([code, models[0]!.isolatedConvolutions, models[0]!.loss.interval]).toEqual([0, [], null]);
  expect(models[0]!.edges.map(({ kind }) => kind)).toEqual(['max-pool', 'max-pool']);
});
