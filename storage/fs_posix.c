#include <dgraft/fs.h>
