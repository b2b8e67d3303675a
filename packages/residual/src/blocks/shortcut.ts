import { ShoalError, type Value } from '@shoal/core';
import { averagePool2d } from '@shoal/pool';

/**
 * How a shortcut gets smaller: `strided` is a 1x1 convolution that reads every `stride`-th cell of each row and column (He et al.,
 * 2015); `pooled` averages the cells and leaves the convolution at stride 1 (ResNet-D of He et al., "Bag of tricks", 2019).
 */
export type ShortcutKind = 'strided' | 'pooled';

/** What the 1x1 convolution of a shortcut reads, and with which stride. */
export function shortcutInput(op: string, x: Value, stride: number, kind: ShortcutKind): { input: Value; stride: number } {
  if (kind !== 'strided' && kind !== 'pooled') {
    throw new ShoalError('ATTRIBUTE', { op, fact: `unknown shortcut '${String(kind)}'`, next: 'Use strided or pooled' });
  }
  if (kind === 'strided' || stride === 1) return { input: x, stride };
  return { input: averagePool2d(x, { window: stride, ceilMode: true }), stride: 1 };
}
