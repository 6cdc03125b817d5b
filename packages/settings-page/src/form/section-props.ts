import { describedBy } from '../parts/field.js';
import type { SettingsEditor } from './use-settings-editor.js';

/** What a section of the form gets. */
export interface SectionProps {
  readonly editor: SettingsEditor;
  readonly disabled: boolean;
}

/** What an input is told of what is wrong with it. */
export function invalidity(id: string, problem: string | undefined) {
  return {
    validated: problem === undefined ? ('default' as const) : ('error' as const),
    'aria-invalid': problem !== undefined,
    'aria-describedby': describedBy(id),
  };
}
