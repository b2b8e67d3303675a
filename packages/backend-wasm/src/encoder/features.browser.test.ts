import { expect, test } from 'vitest';

/** What the engine says in a document of its own with this content-security policy. */
async function compileUnder(scriptSource: string): Promise<unknown> {
  const source = new URL('./features.ts', import.meta.url).href;
  const frame = document.createElement('iframe');
  frame.srcdoc = `
    <meta http-equiv="Content-Security-Policy" content="script-src ${location.origin} 'unsafe-inline' ${scriptSource}">
    <script type="module">
      import { detectFeatures } from ${JSON.stringify(source)};
      try {
        parent.postMessage({ probe: true, simd: detectFeatures().simd }, '*');
      } catch ({ name, reason, message }) {
        parent.postMessage({ probe: true, name, reason, message }, '*');
      }
    </script>`;
  const answer = new Promise((resolve) => {
    window.addEventListener('message', ({ data, source: from }) => {
      if (from === frame.contentWindow && data?.probe) resolve(data);
    });
  });
  document.body.append(frame);
  try {
    return await answer;
  } finally {
    frame.remove();
  }
}

test("a policy without 'wasm-unsafe-eval' is recognised, and the header is named", async () => {
  expect(await compileUnder('')).toMatchObject({
    name: 'CompilationError',
    reason: 'policy',
    message: expect.stringMatching(/Content-Security-Policy.*'wasm-unsafe-eval'/),
  });
});

test("with 'wasm-unsafe-eval' the engine compiles", async () => {
  expect(await compileUnder("'wasm-unsafe-eval'")).toEqual({ probe: true, simd: true });
});
