/* Parses a header as bindgen does: through libclang, with the given arguments. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

struct text {
    const void *data;
    unsigned flags;
};

typedef void *make_index(int, int);
typedef void *parse_unit(void *, const char *, char **, int, void *, unsigned, unsigned);
typedef unsigned count_diagnostics(void *);
typedef void *get_diagnostic(void *, unsigned);
typedef unsigned get_severity(void *);
typedef struct text format_diagnostic(void *, unsigned);
typedef const char *read_text(struct text);

struct cursor {
    int kind, extra;
    const void *data[3];
};

struct type {
    int kind;
    void *data[2];
};

typedef struct cursor get_top(void *);
typedef int visit(struct cursor, struct cursor, void *);
typedef unsigned visit_children(struct cursor, visit *, void *);
typedef struct text get_spelling(struct cursor);
typedef struct type get_type(struct cursor);
typedef long long get_size(struct type);

static void *library;

/* Prints `x` and its size for `char size_of_x[sizeof(x)]`. */
static int say_size(struct cursor cursor, struct cursor parent, void *prefix)
{
    get_spelling *spelling = (get_spelling *)dlsym(library, "clang_getCursorSpelling");
    get_type *type = (get_type *)dlsym(library, "clang_getCursorType");
    get_size *size = (get_size *)dlsym(library, "clang_Type_getSizeOf");
    read_text *read = (read_text *)dlsym(library, "clang_getCString");
    const char *name = read(spelling(cursor));
    if (strncmp(name, prefix, strlen(prefix)) == 0)
        printf("%s %lld\n", name + strlen(prefix), size(type(cursor)));
    return 1;
}

int main(int count, char **words)
{
    library = dlopen(words[1], RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    make_index *index = (make_index *)dlsym(library, "clang_createIndex");
    parse_unit *parse = (parse_unit *)dlsym(library, "clang_parseTranslationUnit");
    count_diagnostics *diagnostics = (count_diagnostics *)dlsym(library, "clang_getNumDiagnostics");
    get_diagnostic *get = (get_diagnostic *)dlsym(library, "clang_getDiagnostic");
    get_severity *severity = (get_severity *)dlsym(library, "clang_getDiagnosticSeverity");
    format_diagnostic *format = (format_diagnostic *)dlsym(library, "clang_formatDiagnostic");
    read_text *read = (read_text *)dlsym(library, "clang_getCString");

    void *unit = parse(index(0, 0), words[2], words + 3, count - 3, 0, 0, 0);
    if (!unit) {
        fprintf(stderr, "libclang gives no translation unit\n");
        return 1;
    }
    int errors = 0;
    for (unsigned i = 0; i < diagnostics(unit); i++) {
        void *diagnostic = get(unit, i);
        if (severity(diagnostic) >= 3) {
            fprintf(stderr, "%s\n", read(format(diagnostic, 1)));
            errors++;
        }
    }
    get_top *top = (get_top *)dlsym(library, "clang_getTranslationUnitCursor");
    visit_children *visit_all = (visit_children *)dlsym(library, "clang_visitChildren");
    visit_all(top(unit), say_size, "size_of_");
    return errors != 0;
}
