/* version.h -- which program this is. */
#ifndef CAMPUS_VERSION_H
#define CAMPUS_VERSION_H

#define CAMPUS_VERSION "0.1.0"

/* Counts up when a migration needs a program that knows of it: a migration's `-- admits: N` names the oldest. */
enum { PROGRAM_NUMBER = 1 };

#endif
