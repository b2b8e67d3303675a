import { createRuntime, expression as e, input, map } from '@shoal/core';
import { expect, test } from 'vitest';
import { wasm } from './backend.ts';

test('a page that is not isolated computes on one thread, and says so', async () => {
  const runtime = await createRuntime(wasm({ threads: 2 }));
  try {
    expect(runtime.info.threads).toBe(1);
    expect(runtime.info.flags['shared']).toBe(false);
    expect(runtime.info.notes).toHaveLength(1);
    expect(runtime.info.notes[0]).toContain('one thread: this page is not cross-origin isolated');
    expect(runtime.info.notes[0]).toContain('Cross-Origin-Embedder-Policy: require-corp');
    const executable = await runtime.compile({ outputs: { y: map([input('x', [5])], (a) => e.add(a, 1)) } });
    expect([...(await executable.run({ x: [1, 2, 3, 4, 5] }))['y']!]).toEqual([2, 3, 4, 5, 6]);
  } finally {
    await runtime.dispose();
  }
});

/** Opens the backend in a frame with a content-security policy; gives `opened`, or the error's code and message. */
function openUnder(policy: string): Promise<string> {
  return new Promise((resolve) => {
    const frame = document.createElement('iframe');
    window.addEventListener('message', function listen({ data, source }: MessageEvent<string>) {
      if (source !== frame.contentWindow) return;
      window.removeEventListener('message', listen);
      frame.remove();
      resolve(data);
    });
    const backend = JSON.stringify(new URL('./backend.ts', import.meta.url).href);
    frame.srcdoc = `<meta http-equiv="Content-Security-Policy" content="${policy}"><script type="module">
      import(${backend})
        .then(({ wasm }) => wasm({ threads: 1 }).open())
        .then(() => 'opened', (error) => error.code + ' ' + error.message)
        .then((text) => parent.postMessage(text, '*'));
    </script>`;
    document.body.append(frame);
  });
}

test('a content-security policy without wasm-unsafe-eval is an error that names the header', async () => {
  const scripts = `script-src ${location.origin} 'unsafe-inline'`;
  const text = await openUnder(scripts);
  expect(text).toMatch(/^UNSUPPORTED backend-wasm: /);
  expect(text).toContain("Content-Security-Policy: script-src 'self' 'wasm-unsafe-eval'");
  expect(await openUnder(`${scripts} 'wasm-unsafe-eval'`)).toBe('opened');
});
