/* Functions that Debian's libgcc expects in the C library and musl does not export. Written for imagefab. */
#include <link.h>
#include <stdint.h>
#include <sys/auxv.h>

/* The layout is part of libgcc's interface. */
struct object {
    unsigned long long flags;
    void *start, *end;
    struct link_map *map;
    void *unwind_table;
#ifdef __i386__
    void *data_base;
    unsigned padding;
#endif
    unsigned long long reserved[7];
};

struct search {
    uintptr_t address;
    struct object *found;
};

static int look_into(struct dl_phdr_info *info, size_t size, void *data)
{
    struct search *search = data;
    const ElfW(Phdr) *segment = 0, *table = 0;

    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD && search->address - start < header->p_memsz)
            segment = header;
        else if (header->p_type == PT_GNU_EH_FRAME)
            table = header;
    }
    if (!segment || !table)
        return 0;
    *search->found = (struct object){
        .start = (void *)(info->dlpi_addr + segment->p_vaddr),
        .end = (void *)(info->dlpi_addr + segment->p_vaddr + segment->p_memsz),
        .unwind_table = (void *)(info->dlpi_addr + table->p_vaddr),
    };
    return 1;
}

int _dl_find_object(void *address, struct object *found)
{
    struct search search = { (uintptr_t)address, found };
    return dl_iterate_phdr(look_into, &search) ? 0 : -1;
}

/* Static programs use the C library's own. */
__attribute__((weak)) unsigned long __getauxval(unsigned long type)
{
    return getauxval(type);
}
