#include <dgraft/driver.h>
