/* The sequences of any calls, watched: none reads or writes what is not its own, or what was never written, and after
 * C_Finalize nothing is left that the module has lost.
 * run under: valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite */
#define CALLS 3000
#define main play_sequences
#include "sequences.c"
#undef main
#include "watched.h"

int main(int count, char **arguments)
{
    memory_is_watched();
    is_reported("memory that is lost", lose_memory);
    return play_sequences(count, arguments);
}
