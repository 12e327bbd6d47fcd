# dgraft_room(NAME SOURCES ... SEES rooms... LINKS libraries... INCLUDE dir): one room of the house.
#
# A room is a set of objects (they go into libdgraft.a), a static library dgraft_NAME for whoever wants the room alone,
# and the alias dgraft::NAME. It sees its own headers and those of the rooms named, so that a wrong include does not
# compile.
set(DGRAFT_WARNINGS
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-align -Wcast-qual -Wstrict-prototypes
    -Wmissing-prototypes -Wundef -Wvla -Wformat=2 -Wswitch-enum -Wimplicit-fallthrough -Wnull-dereference)

function(dgraft_compile_options target)
    set_target_properties(${target} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
                          POSITION_INDEPENDENT_CODE ON)
    # Assertions are for the machines where it matters, too: CMake's release types would leave them out.
    target_compile_options(${target} PRIVATE $<$<NOT:$<CONFIG:Debug>>:-UNDEBUG>)
    if(DGRAFT_WERROR)
        target_compile_options(${target} PRIVATE ${DGRAFT_WARNINGS} -Werror)
    endif()
    if(DGRAFT_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=${DGRAFT_SANITIZE} -fno-omit-frame-pointer)
        if(DGRAFT_SANITIZE MATCHES "undefined")
            target_compile_options(${target} PRIVATE -fno-sanitize-recover=all)
        endif()
        target_link_options(${target} PUBLIC -fsanitize=${DGRAFT_SANITIZE})
    endif()
    if(DGRAFT_FUZZ)
        target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
    endif()
endfunction()

function(dgraft_room name)
    cmake_parse_arguments(ROOM "" "INCLUDE" "SOURCES;SEES;LINKS" ${ARGN})
    set(objects dgraft_${name}_objects)
    add_library(${objects} OBJECT ${ROOM_SOURCES})
    dgraft_compile_options(${objects})
    target_include_directories(${objects} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}"
                               PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}/${ROOM_INCLUDE}")
    foreach(seen IN LISTS ROOM_SEES)
        target_include_directories(${objects} PUBLIC
            $<TARGET_PROPERTY:dgraft_${seen}_objects,INTERFACE_INCLUDE_DIRECTORIES>)
    endforeach()
    if(NOT name STREQUAL "core")
        target_compile_definitions(${objects} PRIVATE _GNU_SOURCE)
    endif()
    add_library(dgraft_${name} STATIC $<TARGET_OBJECTS:${objects}>)
    set_target_properties(dgraft_${name} PROPERTIES LINKER_LANGUAGE C)
    target_include_directories(dgraft_${name} INTERFACE
        $<BUILD_INTERFACE:$<TARGET_PROPERTY:${objects},INTERFACE_INCLUDE_DIRECTORIES>>)
    foreach(seen IN LISTS ROOM_SEES)
        target_link_libraries(dgraft_${name} PUBLIC dgraft_${seen})
    endforeach()
    foreach(link IN LISTS ROOM_LINKS)
        target_link_libraries(${objects} PRIVATE ${link})
        target_link_libraries(dgraft_${name} PUBLIC ${link})
    endforeach()
    if(DGRAFT_SANITIZE)
        target_link_options(dgraft_${name} PUBLIC $<BUILD_INTERFACE:-fsanitize=${DGRAFT_SANITIZE}>)
    endif()
    add_library(dgraft::${name} ALIAS dgraft_${name})
endfunction()
