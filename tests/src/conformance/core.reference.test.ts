import { createRuntime } from '@shoal/core';
import { coreCases } from '@shoal/core/cases';
import { reference } from '@shoal/core/reference';
import { describeCases } from '@shoal/conformance/vitest';

describeCases(coreCases, () => createRuntime(reference()), { backend: 'reference' });
