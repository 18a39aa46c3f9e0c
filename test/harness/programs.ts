import { programPath } from '../../scripts/programs.ts'

/** A reason to skip, where a program is not installed; with CI set there is none, so that the test fails. */
export function missingProgram(name: string, debianPackage: string): string | false {
  if (programPath(name) || process.env['CI']) return false
  return `${name} is not installed: apt-get install ${debianPackage}`
}
