import { createRuntime } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { describeCases } from '@shoal/conformance/vitest';
import { mathCases } from '@shoal/math/cases';
import { mathReference } from '@shoal/math/reference';

describeCases(mathCases, () => createRuntime(reference(), [mathReference]), { backend: 'reference' });
