/** Never gets as far as a greeting. */
process.stderr.write('no database for me\n');
process.exitCode = 1;
