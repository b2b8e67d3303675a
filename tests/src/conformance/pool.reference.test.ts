import { createRuntime } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { describeCases } from '@shoal/conformance/vitest';
import { poolCases } from '@shoal/pool/cases';
import { poolReference } from '@shoal/pool/reference';

describeCases(poolCases, () => createRuntime(reference(), [poolReference]), { backend: 'reference' });
