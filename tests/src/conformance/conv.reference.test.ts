import { createRuntime } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { describeCases } from '@shoal/conformance/vitest';
import { convCases } from '@shoal/conv/cases';
import { convReference } from '@shoal/conv/reference';

describeCases(convCases, () => createRuntime(reference(), [convReference]), { backend: 'reference' });
