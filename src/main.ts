#!/usr/bin/env node
import { runCommand } from './cli/run-command.ts'

process.exitCode = await runCommand(process.argv.slice(2), process.env)
// Handles that a library forgot would hold the process: everything of ours is released by now.
process.exit()
