import type { CaseTable } from '@shoal/core';
import { poolCases } from '@shoal/pool/cases';
import { presets, type Numbers } from '@shoal/widgets';
import type { Meta, StoryObj } from '@storybook/web-components-vite';
import { html } from 'lit';

interface Arguments {
  readonly numbers: Numbers;
}

const meta: Meta<Arguments> = {
  title: 'Explorer',
  render: ({ numbers }) =>
    html`<shoal-downsampling-explorer link-base="explorer/index.html" .state=${numbers}></shoal-downsampling-explorer>`,
  args: { numbers: presets.start },
};

export default meta;
type Story = StoryObj<Arguments>;

/** The image of a 4x4 case of the conformance tables: what the site shows is what is tested. */
function imageOf(table: string, name: string): readonly number[] {
  const found = poolCases.find((each: CaseTable) => each.name === table)?.cases.find((each) => each.name === name)?.inputs[0];
  const data = found?.data;
  if (found?.shape.join() !== '1,4,4,1' || data === undefined || typeof data === 'string' || 'labels' in data) {
    throw new Error(`${table}: no case '${name}' of a literal 4x4 image`);
  }
  return data;
}

/** The numbers 0 to 15, of which each operator makes something else. */
export const WindowsSideBySide: Story = {
  args: { numbers: { ...presets.start, image: imageOf('pool/max', '2x2 windows side by side') } },
};

/** Where several cells of a window are the largest, the first in reading order gets the whole gradient. */
export const Ties: Story = { args: { numbers: presets.tie } };

/** A window of negative numbers has a winner like any other: no gradient is lost. */
export const AllNegative: Story = {
  args: { numbers: { ...presets.start, image: imageOf('pool/max', 'all negative: no gradient is lost') } },
};

/** One pixel to the right: the same picture, other outputs. */
export const Shift: Story = { args: { numbers: presets.shift } };

/** With four weights of a quarter the strided convolution is average pooling. */
export const FilterOfQuarters: Story = { args: { numbers: presets.average } };

/** One weight, stride 2: three cells of four are never read. */
export const StrideAlone: Story = { args: { numbers: presets.skip } };

/** The same, in Portuguese. */
export const Portuguese: Story = {
  render: ({ numbers }) =>
    html`<shoal-downsampling-explorer lang="pt-BR" link-base="explorer/index.html" .state=${numbers}></shoal-downsampling-explorer>`,
};
