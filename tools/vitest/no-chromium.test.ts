import { globSync } from 'node:fs';
import { expect, inject, test } from 'vitest';

const reason = 'Chromium not found (set SHOAL_CHROMIUM)';

for (const file of globSync(inject('browserTestGlobs')).toSorted()) {
  if (process.env['SHOAL_REQUIRE_BROWSER']) test(file, () => expect.fail(`${reason}, and SHOAL_REQUIRE_BROWSER asks for it.`));
  else test.skip(`${file} skipped: ${reason}`);
}

declare module 'vitest' {
  interface ProvidedContext {
    browserTestGlobs: string[];
  }
}
