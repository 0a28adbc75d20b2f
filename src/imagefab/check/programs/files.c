#include <stdio.h>

int main(int count, char **words)
{
    int number = 0;
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(words[i], "r");
        if (!file || fscanf(file, "%d", &number) != 1) {
            printf("can't read %s\n", words[i]);
            return 1;
        }
    }
    printf("file says %d\n", number);
    return 7;
}
